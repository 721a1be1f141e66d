ivs-apply plan
ivs-apply plan --format json | grep -B 1 -A 3 impact
ivs-apply apply --yes
ivs-apply apply --yes --allow-live Channel/fails
ivs-apply apply --yes --allow-live Channel/nobody
ivs-apply apply --yes --only Channel/yields --allow-live Channel/yields
