package auth

import "slices"

// AwaitRuntime says that there are keys made at run time which could not be
// read yet. Until SetRuntime an unknown key that has the form of one is answered
// with KindOverloaded and not called wrong.
func (a *Authenticator) AwaitRuntime() { a.missing.Store(true) }

// SetRuntime replaces the keys that were made at run time, at once and whole: of
// those that are no longer among them none is accepted from then on. A key whose
// name or hash is that of one given to New does not count; the names of such keys
// are returned, sorted.
func (a *Authenticator) SetRuntime(keys []Key) (shadowed []string) {
	configured := *a.keys.keys.Load()
	names := make(map[string]bool, len(configured)+len(keys))
	for _, e := range configured {
		names[e.key.Name] = true
	}
	a.runtime.change(func(m map[[Size]byte]*entry) {
		clear(m)
		for _, k := range keys {
			if k.Name == "" || names[k.Name] || configured[k.Hash] != nil || m[k.Hash] != nil {
				shadowed = append(shadowed, k.Name)
				continue
			}
			names[k.Name] = true
			m[k.Hash] = newEntry(k)
		}
	})
	a.missing.Store(false)
	slices.Sort(shadowed)
	return shadowed
}
