# shellcheck shell=bash
# Has sshd refuse passwords, on trial.
# Uses: common prelude lock claim trial
# Arguments: seconds of the trial. Standard input: the file that says so.
seconds=$1
file=/etc/ssh/sshd_config.d/00-flights-mlops.conf

begin_trial "$seconds" "$file" <<'END'
systemctl restart ssh.service
END
install -d -m 0755 "${file%/*}"
cat >"$file"
chmod 0644 "$file"
sshd -t || { end_trial; fail "$here does not take $file; what sshd says of it is above. It was removed again."; }
# Not what the file says, what comes of it: sshd_config may say otherwise before it includes the file, or not include it.
refused=$(sshd -T | grep -cxE '(passwordauthentication|kbdinteractiveauthentication) no') || true
[ "$refused" = 2 ] || {
  end_trial
  fail "/etc/ssh/sshd_config on $here allows passwords whatever $file says: have it begin with \"Include /etc/ssh/sshd_config.d/*.conf\", or set harden_ssh to false."
}
# Sessions outlive a restart; and it has read its configuration when systemctl returns, unlike after a reload.
systemctl restart ssh.service
echo "sshd on $here refuses passwords, on trial for $seconds s"
