//go:build practice

package main

import "github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"

// What the start does once is in the snapshot. Contestants that start for every
// call are spared it.
func init() { logic.Practise() }
