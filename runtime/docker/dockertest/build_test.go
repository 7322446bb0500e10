package dockertest

import (
	"context"
	"testing"
)

func TestImagesGoWithTheirTest(t *testing.T) {
	cli := Client(t)
	tag := Unique("cofferdam-built") + ":1"
	var id string
	t.Run("inner", func(t *testing.T) {
		id = Build(t, []string{"ENV COLOUR=blue"}, tag)
		got, err := cli.ImageInspect(context.Background(), tag)
		if err != nil || got.ID != id || len(got.Config.Entrypoint) == 0 {
			t.Errorf("image %+v, %v; want %s, made of the test image", got, err, id)
		}
	})
	if _, err := cli.ImageInspect(context.Background(), id); err == nil {
		t.Errorf("image %s outlived its test", id)
	}
}
