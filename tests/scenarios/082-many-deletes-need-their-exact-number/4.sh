ivs-apply apply --yes
ivs-apply apply --yes --confirm-deletes 6
ivs-apply apply --yes --confirm-deletes 7
