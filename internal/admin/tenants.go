package admin

import (
	"net/http"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TenantLister knows the groups of keys.
type TenantLister interface {
	// Tenants returns those of the configuration and those that keys name,
	// sorted by name.
	Tenants() []Tenant
}

// Tenant is a group of keys.
type Tenant struct {
	Name   string     `json:"name"`
	Models []string   `json:"models"` // that its keys may call at most; empty = all
	Limits llm.Limits `json:"limits"` // of all its keys together
	Keys   []string   `json:"keys"`   // their names, sorted
}

// listTenants answers GET /admin/v1/tenants.
func (a *API) listTenants(w http.ResponseWriter, _ *http.Request) error {
	list := append([]Tenant{}, a.o.Tenants.Tenants()...)
	for i := range list {
		list[i].Models = append([]string{}, list[i].Models...)
		list[i].Keys = append([]string{}, list[i].Keys...)
	}
	return answer(w, struct {
		Tenants []Tenant `json:"tenants"`
	}{list})
}
