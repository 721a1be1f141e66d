ivs-apply output
ivs-apply output --format json --only Channel/main
ivs-apply output --format env
ivs-apply output --format github --only Stage/studio
ivs-apply output --only StreamKey/main --secrets-to keys.json
ls -l keys.json | cut -c 1-10; sed -E 's/(Key|Passphrase|Url)": "[^"]+"/\1": "..."/' keys.json
