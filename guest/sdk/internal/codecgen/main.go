// Command codecgen writes codec_gen.go of package sdk: a function for each type
// of package abi that guests send, and one for each that they receive, as the
// types' struct tags say. It runs in the folder guest/sdk, by `go generate`.
package main

import (
	"log"
	"os"
)

// What guests send, and what they receive. What these are made of follows.
var (
	sent = []string{
		"Reply", "ContainerQuery", "ContainerRef", "DockerQuery", "MetricsQuery", "ProcessQuery", "BotQuery",
		"ContainerRename", "LogQuery", "ContainerHistoryQuery", "ImageQuery", "ImageRef", "UpdateQuery", "HistoryQuery",
		"FetchRequest", "HTTPQuery", "KVQuery", "KVPut", "KVListQuery", "Notice", "PendingQuery", "ModuleApproval", "ModuleRef",
	}
	received = []string{
		"Request", "Error", "ContainerList", "ContainerDetails", "ContainerStats", "ContainerDone", "DockerInfo", "DockerHosts",
		"HostInfo", "CPUInfo", "MemoryInfo", "DiskInfo", "SensorInfo", "ProcessInfo", "UserInfo", "BotInfo",
		"LogPage", "ContainerRuntime", "ContainerEnv", "History", "ImageList", "ImageDetails", "ImageHistory", "UpdateReport",
		"DiskIOInfo", "NetworkInfo", "PressureInfo", "BotHealth", "BotRelease",
		"FetchResponse", "FetchScope", "KVValue", "KVDone", "KVKeys", "NoticeQueued", "PendingList", "ModuleDone",
	}
)

func main() {
	log.SetFlags(0)
	source, err := load("../abi")
	if err != nil {
		log.Fatal(err)
	}
	text, err := generate(source, sent, received)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("codec_gen.go", text, 0o644); err != nil {
		log.Fatal(err)
	}
}
