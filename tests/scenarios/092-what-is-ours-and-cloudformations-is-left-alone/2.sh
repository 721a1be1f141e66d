ivs-apply drift
ivs-apply apply --yes
