#!/bin/sh
# On the fresh machine: the README's part about the gateway, word for word, with what a chroot has no use for (a running systemd and udev, a person at a terminal) left
# out or stood in for; then the service as its unit starts it, by hand. `fresh-machine.sh` ends with it.
set -eu

echo "127.0.0.1 localhost $(cat /proc/sys/kernel/hostname)" >/etc/hosts
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet >/dev/null
apt-get install --yes --quiet --no-install-recommends systemd udev sudo >/dev/null

sed -n '/^## On a gateway/,/^Add yourself/p' README.md | sed -n '/^```$/,/^```$/p' | grep -v '^```$' >/tmp/commands
sed -i -e 's/^npm ci && //' -e 's/^sudo apt install/& --yes --quiet --no-install-recommends/' -e "s/-- amd64/-- $(dpkg --print-architecture) --quick/; s/_amd64/_$(dpkg --print-architecture)/" \
  -e '/^sudoedit\|^sudo sudoedit/d' -e "s/systemd-ask-password -n/printf opensesame/" -e 's/enable --now/enable/' -e '/^systemctl status/d' \
  -e 's/systemd-creds encrypt/systemd-creds encrypt --with-key=host/' /tmp/commands
systemd-machine-id-setup >/dev/null 2>&1
mkdir -p /var/lib/systemd && systemd-creds setup
sh -eux /tmp/commands

systemd-analyze verify --man=no /usr/lib/systemd/system/lintel@.service 2>&1 | grep -i lintel | grep -v 'RestartSteps\|RestartMaxDelaySec' && exit 1
stat -c '%A %U:%G %n' /etc/lintel /etc/lintel/* /var/lib/lintel /etc/credstore.encrypted /etc/systemd/system/multi-user.target.wants/*

# What the unit gives the service: its directories, its credential unsealed, its user.
install -d -m700 -o lintel -g lintel /var/lib/lintel/riverside
install -d -m750 -o lintel -g lintel /run/lintel/riverside
install -d -m700 -o lintel -g lintel /run/credentials/lintel@riverside.service
systemd-creds decrypt --name=mqtt-password /etc/credstore.encrypted/riverside.mqtt-password /run/credentials/lintel@riverside.service/mqtt-password
chown lintel /run/credentials/lintel@riverside.service/mqtt-password
program=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/lintel@.service | sed 's/%i/riverside/g')
cd /var/lib/lintel/riverside
INVOCATION_ID=x RUNTIME_DIRECTORY=/run/lintel/riverside STATE_DIRECTORY=/var/lib/lintel/riverside \
  CREDENTIALS_DIRECTORY=/run/credentials/lintel@riverside.service \
  setpriv --reuid lintel --regid lintel --init-groups sh -c "exec $program" 2>/tmp/log &
service=$!
tries=0
until lintel status --socket /run/lintel/riverside/control.sock; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { cat /tmp/log; exit 1; }
  sleep 1
done
sudo -u nobody -g lintel lintel users list --socket /run/lintel/riverside/control.sock
if grep opensesame /tmp/log || grep 'the credential' /tmp/log; then exit 1; fi
kill "$service"
wait "$service"
echo 'The gateway part of the README works.'
