package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// outcome is what a comparison leaves in results.json.
type outcome struct {
	Conditions string        `json:"conditions"`
	Yardstick  string        `json:"yardstick"`
	Cases      []*caseResult `json:"cases"`
}

// save writes results.json, results.md and chart.svg into dir. It is called
// after every case, so that a run that is broken off leaves what it had.
func (o outcome) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	text := "# Results\n\n" + o.Conditions + "\n"
	for _, c := range o.Cases {
		text += c.markdown() + "\n"
	}
	files := map[string]string{"results.json": string(data) + "\n", "results.md": text}
	if all := bars(o.Cases); len(all) > 0 {
		files["chart.svg"] = chart(all)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
