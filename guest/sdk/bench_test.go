//go:build !wasip1

package sdk

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// BenchmarkEncode writes a reply as the list of containers is.
func BenchmarkEncode(b *testing.B) {
	reply := Reply{Menu: "docker"}
	for range 10 {
		name := "🟢 shop_<web>_1"
		reply.Blocks = append(reply.Blocks, Heading(name), Fields(Is("Image", Code("nginx:1.27")), Is("Up", Bold("3 minutes"), Ago(1_700_000_000_000))))
		reply.Keyboard = append(reply.Keyboard, Row(Do(name, "show", "id", strings.Repeat("0a", 32), "page", "1"), Run("🔄 Refresh", "containers")))
	}
	reply.Blocks = append(reply.Blocks, Bars(Bar{Label: "CPU", Percent: 12.5}), TableOf([]string{"Name", "CPU"}, [][]string{{"web", "1.5"}, {"db", "20.0"}}, 1))
	b.Run("codec=generated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data, err := encode(writeReply, &reply)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
		}
	})
	b.Run("codec=encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data, err := json.Marshal(reply)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
		}
	})
}

// BenchmarkDecode reads a list of 200 containers.
func BenchmarkDecode(b *testing.B) {
	list := abi.ContainerList{Total: 200, Running: 200}
	for i := range list.Total {
		list.Containers = append(list.Containers, abi.Container{
			ID: strings.Repeat("0a", 32), Name: "shop_web_" + strconv.Itoa(i), Image: "registry.example/shop/web:1.27", State: "running",
			Status: "Up 3 minutes (healthy)", Health: "healthy", Created: 1_700_000_000_000, Project: "shop",
		})
	}
	data, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("codec=generated", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var got abi.ContainerList
			if err := decode(readContainerList, data, &got); err != nil || len(got.Containers) != list.Total {
				b.Fatal(len(got.Containers), err)
			}
		}
	})
	b.Run("codec=encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var got abi.ContainerList
			if err := json.Unmarshal(data, &got); err != nil || len(got.Containers) != list.Total {
				b.Fatal(len(got.Containers), err)
			}
		}
	})
}
