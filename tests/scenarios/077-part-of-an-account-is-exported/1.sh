ivs-apply export --stack prod --only 'Channel/mian'
ivs-apply export --stack prod --only 'Channel/main' | tee exported.yaml
ivs-apply apply --yes
ivs-apply plan --detailed-exitcode
rm exported.yaml
