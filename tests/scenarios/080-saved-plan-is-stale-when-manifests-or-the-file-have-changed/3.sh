ivs-apply apply plan.json
