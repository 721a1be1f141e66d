ivs-apply plan --out plan.json
