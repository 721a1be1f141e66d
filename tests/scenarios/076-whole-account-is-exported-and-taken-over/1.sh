ivs-apply export --stack prod > exported.yaml
cat exported.yaml
ivs-apply plan --detailed-exitcode
ivs-apply apply --yes
ivs-apply plan --detailed-exitcode
rm exported.yaml
ivs-apply export --stack prod --out exported
ls exported; cat exported/Stack.yaml exported/Stage.yaml
rm -r exported
