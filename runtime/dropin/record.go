package dropin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// record is what outlives a restart of a module's name.
type record struct {
	trust.Lineage
	// Runs is the file that runs; nil: none does.
	Runs *runs `json:"runs,omitempty"`
	// First is when a file of that name was permitted to run for the first time.
	First time.Time `json:"first,omitzero"`
	// By and When are of the last approval or revocation, for people.
	By   string    `json:"by,omitempty"`
	When time.Time `json:"when,omitzero"`
	// disk is what the table has of it; nil: nothing.
	disk []byte
}

// runs is a file that was permitted to run, of which the vault has a copy.
type runs struct {
	// File is its name in the folder, and Stamp that of its entry, if it is known.
	File      string          `json:"file"`
	Stamp     string          `json:"stamp,omitempty"`
	Size      int64           `json:"size"`
	Digest    string          `json:"digest"`
	Manifest  abi.Manifest    `json:"manifest"`
	Signature trust.Signature `json:"signature,omitzero"`
}

func (r *runs) trusted() trust.File {
	return trust.File{Manifest: r.Manifest, Digest: r.Digest, Signature: r.Signature}
}

// recordVersion stands before the JSON of a record. One of another version is left
// alone, and its name has to be approved anew.
const recordVersion = "1 "

func readRecords(table Table, log *zap.Logger) (map[string]*record, error) {
	records := map[string]*record{}
	err := table.Each(func(key, value []byte, _ time.Time) error {
		r, err := readRecord(string(key), value)
		if err != nil {
			log.Error("what is known of a module cannot be read; it has to be approved anew",
				zap.String("event", "store.error"), zap.ByteString("module", key), zap.Error(err))
			return nil
		}
		r.disk = value
		records[string(key)] = r
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("what is known of modules: %w", err)
	}
	return records, nil
}

// readRecord checks what it reads as if it came from elsewhere: it decides what runs.
func readRecord(name string, value []byte) (*record, error) {
	text, ok := cutPrefix(value, recordVersion)
	if !ok {
		return nil, fmt.Errorf("its version is not %s", recordVersion)
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if r.Runs != nil {
		if err := r.Runs.Manifest.Check(); err != nil {
			return nil, err
		}
		if r.Runs.Manifest.Name != name {
			return nil, fmt.Errorf("it is of module %s", r.Runs.Manifest.Name)
		}
	}
	return r, nil
}

func cutPrefix(value []byte, prefix string) ([]byte, bool) {
	if len(value) < len(prefix) || string(value[:len(prefix)]) != prefix {
		return nil, false
	}
	return value[len(prefix):], true
}

// known is a copy of what is known of a name, to be changed.
func (d *Dropins) known(name string) *record {
	r := d.records[name]
	if r == nil {
		return &record{}
	}
	c := *r
	c.Refused = slices.Clone(r.Refused)
	if r.Runs != nil {
		runs := *r.Runs
		c.Runs = &runs
	}
	return &c
}

// keep makes a record durable. If it returns an error, the old one holds.
func (d *Dropins) keep(ctx context.Context, name string, r *record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	value = append([]byte(recordVersion), value...)
	if old := d.records[name]; old != nil && bytes.Equal(old.disk, value) {
		r.disk = value
		d.records[name] = r
		return nil
	}
	err = d.Records.Change(context.WithoutCancel(ctx), []byte(name), func([]byte, time.Time) ([]byte, time.Time, error) {
		return value, time.Time{}, nil
	})
	if err != nil {
		return fmt.Errorf("keep what is known of module %s: %w", name, err)
	}
	r.disk = value
	d.records[name] = r
	return nil
}

// restore puts back what was known before. If the disk does not take it, the next start
// finds the newer: it says what was permitted.
func (d *Dropins) restore(ctx context.Context, name string, before *record) {
	now := d.records[name]
	var err error
	switch {
	case before != nil:
		if err = d.keep(ctx, name, before); err != nil {
			d.records[name] = before
		}
	default:
		delete(d.records, name)
		if now != nil && now.disk != nil {
			err = d.Records.Change(context.WithoutCancel(ctx), []byte(name), func([]byte, time.Time) ([]byte, time.Time, error) {
				return nil, time.Time{}, nil
			})
		}
	}
	if err != nil {
		d.Log.Error("what was permitted and could not be loaded cannot be taken back on disk", zap.String("event", "store.error"), zap.Error(err))
	}
}
