# shellcheck shell=bash
# What the configuration of sshd comes to, whichever file says so, for each of $keywords.
sshd -T | awk -v keywords=" ${keywords[*]} " 'index(keywords, " " $1 " ") && !seen[$1]++ { print "sshd", $0 }'
