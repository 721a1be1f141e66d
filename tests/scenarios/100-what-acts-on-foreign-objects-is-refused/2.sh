ivs-apply apply --yes
