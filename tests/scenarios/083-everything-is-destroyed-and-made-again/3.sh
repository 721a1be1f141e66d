ivs-apply apply --yes
ivs-apply destroy --confirm-deletes 6
ivs-apply destroy --yes
ivs-apply destroy --yes --confirm-deletes 7
ivs-apply destroy --yes --confirm-deletes 6
