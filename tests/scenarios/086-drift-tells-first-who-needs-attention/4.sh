ivs-apply apply --yes
ivs-apply drift
