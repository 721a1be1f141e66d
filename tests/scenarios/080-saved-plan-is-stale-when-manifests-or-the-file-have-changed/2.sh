ivs-apply plan --out plan.json
sed 's/NORMAL/LOW/' plan.json > edited.json; cmp -s plan.json edited.json || echo edited
ivs-apply apply edited.json
sed 's/"update"/"delete"/' plan.json > edited.json; cmp -s plan.json edited.json || echo edited
ivs-apply apply edited.json
head -c 300 plan.json > edited.json
ivs-apply apply edited.json
