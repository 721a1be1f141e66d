ivs-apply drift
ivs-apply drift --only Channel/a-quiet --format json
