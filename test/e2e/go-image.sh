#!/usr/bin/env bash
# Makes, where no image registry can be reached, a stand-in for the image that
# compiles: busybox, this machine's Go and its certificates. `go-image.sh NAME`
set -euo pipefail
c=$(buildah from scratch)
trap 'buildah rm "$c" >/dev/null' EXIT
m=$(buildah mount "$c")
mkdir -p "$m"/{bin,tmp,root,go,etc/ssl/certs,usr/local,usr/bin}
cp /bin/busybox "$m/bin/busybox"
for a in $(/bin/busybox --list | grep -vx busybox); do ln -sf busybox "$m/bin/$a"; done
cp -a "$(go env GOROOT)" "$m/usr/local/go"
cp /etc/ssl/certs/ca-certificates.crt "$m/etc/ssl/certs/"
cp /etc/passwd /etc/group "$m/etc/"
chmod 1777 "$m/tmp"
buildah umount "$c" >/dev/null
buildah config --env PATH=/usr/local/go/bin:/bin:/usr/bin --env GOPATH=/go --env GOTOOLCHAIN=local \
  --env "GOPROXY=$(go env GOPROXY)" --env "GOSUMDB=$(go env GOSUMDB)" --workingdir /go "$c"
buildah commit -q "$c" "$1"
