ivs-apply apply plan.json
ivs-apply plan --out plan.json
ivs-apply apply plan.json
ivs-apply plan --out plan.json --allow-live Channel/main
ivs-apply apply plan.json
