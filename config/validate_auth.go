package config

import (
	"maps"
	"slices"
	"strconv"
)

// minJWTSecret is the least length of an HS256 key in bytes (RFC 7518, 3.2).
const minJWTSecret = 32

func (v *validator) auth() {
	a := v.c.Auth
	v.check(!a.Required || !a.AllowAnonymous, "auth.required", "contradicts auth.allow_anonymous: leave one of them out")
	names, sums := map[string]int{}, map[[32]byte]int{}
	for i := range a.Keys {
		k := &a.Keys[i]
		path := "auth.keys[" + strconv.Itoa(i) + "]"
		v.authKey(path, k)
		if n, ok := names[k.Name]; ok {
			v.check(k.Name == "", path+".name", "%q is also the name of auth.keys[%d]", k.Name, n)
		}
		names[k.Name] = i
		if k.Key.IsZero() && k.Hash == "" {
			continue
		}
		if n, ok := sums[k.Sum()]; ok {
			v.add(path, "is the same key as auth.keys["+strconv.Itoa(n)+"]")
		}
		sums[k.Sum()] = i
	}
	for _, name := range slices.Sorted(maps.Keys(a.Tenants)) {
		path := joinPath("auth.tenants", name)
		v.check(plainName.MatchString(name), path, "is no tenant name; it must have no spaces, commas or =")
		v.limits(path+".limits", a.Tenants[name].Limits)
	}
	if a.JWT != nil {
		v.jwt(a.JWT)
	}
}

func (v *validator) authKey(path string, k *AuthKey) {
	v.check(plainName.MatchString(k.Name), path+".name", "%q is no name; it must not be empty and have no spaces, commas or =", k.Name)
	both, neither := !k.Key.IsZero() && k.Hash != "", k.Key.IsZero() && k.Hash == ""
	v.check(!both && !neither, path, "needs exactly one of key and hash")
	v.check(k.Key.IsZero() || visible.MatchString(k.Key.Reveal()), path+".key", "holds a space, a line break or another sign that no key has")
	if _, ok := v.c.Auth.Tenants[k.Tenant]; k.Tenant != "" && len(v.c.Auth.Tenants) > 0 {
		v.check(ok, path+".tenant", "%q is not among auth.tenants", k.Tenant)
	}
	v.limits(path+".limits", k.Limits)
}

func (v *validator) jwt(j *JWT) {
	const path = "auth.jwt"
	v.check(!j.Secret.IsZero() || j.PublicKey != "" || j.JWKSURL != "", path,
		"needs a key: secret, public_key or jwks_url (GATEWAY_JWT_SECRET or GATEWAY_JWT_JWKS_URL)")
	v.check(j.Secret.IsZero() || len(j.Secret.Reveal()) >= minJWTSecret, path+".secret", "has fewer than %d bytes", minJWTSecret)
	if j.JWKSURL != "" {
		if u := v.url(path+".jwks_url", j.JWKSURL); u != nil {
			v.check(u.Scheme == "https" || !public(u.Hostname()), path+".jwks_url", "must begin with https://: whoever changes the answer on its way could sign tokens")
		}
	}
	v.positive(path+".jwks_ttl", j.JWKSTTL)
	v.positive(path+".jwks_interval", j.JWKSInterval)
	v.check(j.Leeway <= Duration(10*minute), path+".leeway", "must be at most 10m")
	v.check(j.Claims.Name != "", path+".claims.name", "is empty")
}
