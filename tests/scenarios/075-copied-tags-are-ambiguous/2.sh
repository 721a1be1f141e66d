ivs-apply drift
ivs-apply apply --yes
ivs-apply destroy --yes
