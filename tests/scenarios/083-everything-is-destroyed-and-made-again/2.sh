ivs-apply destroy --yes
