package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

const containersKey = "access_control.containers"

// maxReach bounds the patterns of one user, as the rule does.
const maxReach = capability.MaxPatterns

// checkContainers refuses whatever could restrict nobody, or another than was meant.
func checkContainers(r *report, access AccessControl) {
	for _, user := range slices.Sorted(maps.Keys(access.Containers)) {
		key := join(containersKey, display(user))
		patterns := access.Containers[user]
		switch id, err := strconv.ParseInt(user, 10, 64); {
		case err != nil || id <= 0 || strconv.FormatInt(id, 10) != user:
			r.bad(key, "is not a user's id, which is a positive number", "write the id of a user of allowed_user_ids")
		case !slices.Contains(access.AllowedUserIDs, id):
			r.bad(key, "restricts a user who is not in allowed_user_ids", "add the id there, or remove it here")
		}
		switch {
		case len(patterns) == 0:
			r.bad(key, "is an empty list, which may be read as nothing or as everything", reachHint)
		case len(patterns) > maxReach:
			r.bad(key, "has more than "+strconv.Itoa(maxReach)+" patterns", "use * in them, or a label")
		}
		for i, pattern := range patterns {
			if err := capability.CheckPattern(pattern); err != nil {
				r.bad(key+"["+strconv.Itoa(i)+"]", err.Error(), "")
			}
		}
	}
}

const reachHint = "list patterns such as web-* or label=team=blue, or remove the line"

// Reach returns what Containers says, by user id. A key that is no number is left out: [Parse] refuses it.
func (a AccessControl) Reach() map[int64][]string {
	reach := make(map[int64][]string, len(a.Containers))
	for user, patterns := range a.Containers {
		if id, err := strconv.ParseInt(user, 10, 64); err == nil {
			reach[id] = patterns
		}
	}
	return reach
}
