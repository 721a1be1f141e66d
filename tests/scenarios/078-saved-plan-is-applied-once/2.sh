ivs-apply plan --out plan.json
ls -l plan.json | cut -c 1-10
ivs-apply apply plan.json
ivs-apply apply plan.json
