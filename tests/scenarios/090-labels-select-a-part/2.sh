ivs-apply plan -l team=sprots
ivs-apply apply --yes -l team=sports
