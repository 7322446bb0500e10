// Package peers measures the engine against other ways to run a module that is
// not trusted. It is a Go module of its own, so that nothing of the others gets
// into the product's.
//
// All contestants compute the same (see logic), and all let the product's own
// hostcall table answer the one host call. They are measured in one run, their
// calls interleaved:
//
//	go test -run '^$' -bench . -benchtime 3s
package peers
