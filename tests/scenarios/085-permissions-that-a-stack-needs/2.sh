ivs-apply iam-policy plan | grep '"ivs:' | sort -u
ivs-apply iam-policy apply | grep '"ivs:' | sort -u
ivs-apply iam-policy apply --prune | grep '"ivs:Delete' | sort -u
ivs-apply apply --yes
