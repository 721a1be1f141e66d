ivs-apply iam-policy plan
ivs-apply iam-policy apply
ivs-apply apply --yes
