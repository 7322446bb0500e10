package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/security/signature"
)

func moduleVerifyCommand() *cobra.Command {
	var path string
	var keys []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a file's signature",
		Long: `Hold FILE against its signature in FILE.minisig, and say which key made it.

The keys are those of --key, which may be given several times: a public key's
file, or its line of base64 that begins with RW. Without --key they are
modules.trusted_keys of the config, found as run finds it. minisign -V does the
same with one key.

Exit codes: 0 one of the keys signed exactly this file, 1 not, 2 wrong usage,
3 config refused.`,
		Example: `  cofferdam module verify uptime.wasm
  cofferdam module verify uptime.wasm --key author.pub
  cofferdam module verify uptime.wasm --config /etc/cofferdam.yaml --json`,
		Args:              usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeModuleFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			known, err := verifyingKeys(path, keys)
			if err != nil {
				return err
			}
			return verifyModule(cmd.OutOrStdout(), args[0], known, asJSON)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringArrayVar(&keys, "key", nil, "a public `key`: its file, or its line")
	_ = cmd.MarkFlagFilename("key", "pub")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// keyFrom is a key, and where it was found.
type keyFrom struct {
	signature.Key
	from string
}

// verifyingKeys are those of the flags, else those of the config.
func verifyingKeys(path string, texts []string) ([]keyFrom, error) {
	var keys []keyFrom
	for _, text := range texts {
		key, err := publicKeyOf(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, keyFrom{key, "--key " + quotedPath(text)})
	}
	if len(texts) > 0 {
		return keys, nil
	}
	cfg, _, err := loadConfig(path, config.Options{LooseModeWarns: true})
	if err != nil {
		return nil, exitWith(exitConfig, fmt.Errorf("%w; or name a key with --key", err))
	}
	for i, key := range trustedKeys(cfg) {
		keys = append(keys, keyFrom{key, fmt.Sprintf("modules.trusted_keys[%d]", i)})
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key to hold it against: modules.trusted_keys of the config is empty; name one with --key")
	}
	return keys, nil
}

// publicKeyOf reads the line of a public key, or its file.
func publicKeyOf(text string) (signature.Key, error) {
	if key, err := signature.ParseKey(text); err == nil {
		return key, nil
	}
	data, err := readModuleFile(text, signature.MaxFile+1)
	if err != nil {
		return signature.Key{}, fmt.Errorf("--key: %w; it is a public key's file, or its line, 56 characters that begin with RW", err)
	}
	key, err := signature.ParseKey(string(data))
	if err != nil {
		return signature.Key{}, fmt.Errorf("--key: %s is not the file of a minisign public key", quotedPath(text))
	}
	return key, nil
}

// signatureVerdict is what is said of a signature with --json.
type signatureVerdict struct {
	File string `json:"file"`
	// Good tells that one of the keys signed exactly this file.
	Good    bool   `json:"good"`
	KeyID   string `json:"key_id,omitempty"`
	Key     string `json:"key,omitempty"` // where the key was found
	Comment string `json:"comment,omitempty"`
	Why     string `json:"why,omitempty"`
}

func verifyModule(out io.Writer, path string, keys []keyFrom, asJSON bool) error {
	v := signatureVerdict{File: quotedPath(path)}
	err := v.decide(path, keys)
	if err != nil {
		v.Why = cleanLine(err.Error())
	}
	switch {
	case asJSON:
		err = errors.Join(writeJSON(out, v), err)
	case v.Good:
		fmt.Fprintf(out, "good: %s is signed by %s, %s\n", v.File, v.KeyID, v.Key)
		if v.Comment != "" {
			fmt.Fprintln(out, "trusted comment: "+v.Comment)
		}
	}
	return err
}

func (v *signatureVerdict) decide(path string, keys []keyFrom) error {
	data, err := readModuleFile(path, maxModuleFile)
	if err != nil {
		return err
	}
	if len(data) == maxModuleFile {
		return fmt.Errorf("%s is longer than 8 MiB, so it is no module", v.File)
	}
	if _, err := os.Stat(path + signature.Suffix); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is not signed: there is no %s", v.File, quotedPath(path+signature.Suffix))
	}
	sig, err := readModuleFile(path+signature.Suffix, signature.MaxFile+1)
	if err != nil {
		return err
	}
	for _, key := range keys {
		signed, err := signature.Verify(data, sig, []signature.Key{key.Key})
		v.KeyID = signed.KeyID
		switch {
		case errors.Is(err, signature.ErrMalformed):
			return fmt.Errorf("%s: %w", quotedPath(path+signature.Suffix), signature.ErrMalformed)
		case err != nil && v.Key == "":
			v.Key = key.from // another key may have the same id
		case signed.Trusted:
			v.Good, v.Key, v.Comment = true, key.from, cleanLine(signed.Comment)
			return nil
		}
	}
	if v.Key != "" {
		return fmt.Errorf("%s: it claims the key %s, %s; %w", v.File, v.KeyID, v.Key, signature.ErrForged)
	}
	return fmt.Errorf("%s: the key that signed it, as it says %s, is none of %s", v.File, v.KeyID, plural(len(keys), "key")+" that were asked")
}
