ivs-apply apply --yes
ivs-apply apply --yes --prune
mkdir empty; ivs-apply apply --yes --prune -f empty --stack prod
