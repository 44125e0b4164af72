# shellcheck shell=bash
# Has what tasks need for the DVC remote, and nothing that they do not.
# Uses: common prelude lock claim secret
# Arguments: the stack's user id; "directory" and its path, "bucket", "closed" or "none". Standard input: the credentials
# for a bucket, as AWS's own tools keep them.
uid=$1 what=$2
credentials=$secrets/aws_credentials
case $what in
  directory)
    install -d -m 0750 -o "$uid" -g root "$3"
    echo "DVC's remote is the directory $3"
    ;;
  bucket)
    install -d -m 0700 -o root -g root "$secrets"
    # In place where it is there: a container that runs has this file and not its name.
    if [ -e "$credentials" ]; then cat >"$credentials"; else keep "$credentials"; fi
    echo "Tasks have the credentials for DVC's bucket"
    ;;
  none)
    rm "$credentials"
    echo "Removed the credentials for a bucket that DVC had"
    ;;
esac
[ ! -e "$credentials" ] || { chown "$uid:root" "$credentials" && chmod 0440 "$credentials"; }
