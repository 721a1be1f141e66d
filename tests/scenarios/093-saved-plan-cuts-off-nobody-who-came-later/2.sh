ivs-apply plan --out plan.json --allow-live Channel/main
