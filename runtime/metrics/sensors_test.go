package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestSensors(t *testing.T) {
	files := map[string]string{}
	chip := func(number int, attributes ...string) {
		for i := 0; i < len(attributes); i += 2 {
			files[fmt.Sprintf("sys/class/hwmon/hwmon%d/%s", number, attributes[i])] = attributes[i+1] + "\n"
		}
	}
	chip(0, "name", "coretemp", "temp1_input", "45500", "temp1_label", "Core 0", "temp1_max", "80000", "temp1_crit", "100000",
		"temp2_input", "-273150", "temp3_input", "broken", "temp4_input", "NaN", "temp10_input", "50000", "temp9_input", "49000")
	chip(1, "name", "nvme\x07", "temp1_input", "30000", "temp1_max", "65261850")
	chip(2, "temp1_input", "31000") // has no name
	chip(3, "name", "nvme\x07", "temp1_input", "-5000")
	chip(4, "name", "it8720", "fan1_input", "1200", "fan2_input", "0", "fan2_label", "CPU\x1bfan", "fan3_input", "-1", "fan4_input", "5000000")
	chip(10, "name", "big", "temp1_input", strings.Repeat("9", 1<<20))
	chip(11, "device/name", "old", "device/temp1_input", "60000", "device/temp1_crit", "-1")
	got, err := newMachine(t, files).reader(nil).Sensors(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []abi.Temperature{
		{Name: "coretemp Core 0", Current: 45.5, High: 80, Critical: 100}, {Name: "coretemp temp9", Current: 49}, {Name: "coretemp temp10", Current: 50},
		{Name: "nvme�", Current: 30}, {Name: "temp1", Current: 31}, {Name: "nvme� (2)", Current: -5}, {Name: "old", Current: 60},
	}
	if !slices.Equal(got.Temperatures, want) {
		t.Errorf("\n got %+v\nwant %+v", got.Temperatures, want)
	}
	if fans := []abi.Fan{{Name: "it8720 fan1", RPM: 1200}, {Name: "it8720 CPU�fan", RPM: 0}}; !slices.Equal(got.Fans, fans) {
		t.Errorf("fans %+v, want %+v", got.Fans, fans)
	}
}

func TestThermalZonesWhereThereIsNoHwmon(t *testing.T) {
	files := map[string]string{
		"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "51000\n",
		"sys/class/thermal/thermal_zone0/trip_point_0_type": "passive\n", "sys/class/thermal/thermal_zone0/trip_point_0_temp": "80000\n",
		"sys/class/thermal/thermal_zone0/trip_point_1_type": "critical\n", "sys/class/thermal/thermal_zone0/trip_point_1_temp": "95000\n",
		"sys/class/thermal/thermal_zone1/temp": "0x\n", "sys/class/thermal/cooling_device0/temp": "1\n",
	}
	want := []abi.Temperature{{Name: "cpu-thermal", Current: 51, Critical: 95}}
	got, err := newMachine(t, files).reader(nil).Sensors(context.Background())
	if err != nil || !slices.Equal(got.Temperatures, want) {
		t.Errorf("\n got %+v, %v\nwant %+v", got.Temperatures, err, want)
	}
	files["sys/class/hwmon/hwmon0/temp1_input"] = "20000\n"
	if got, _ := newMachine(t, files).reader(nil).Sensors(context.Background()); len(got.Temperatures) != 1 || got.Temperatures[0].Current != 20 {
		t.Errorf("a machine with hwmon shows %+v", got.Temperatures)
	}
}

func TestSensorsAreBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 2 * maxSensors {
		files[fmt.Sprintf("sys/class/hwmon/hwmon0/temp%d_input", i)] = "1000"
		files[fmt.Sprintf("sys/class/hwmon/hwmon%d/temp1_input", i)] = "1000"
		files[fmt.Sprintf("sys/class/hwmon/hwmon1/fan%d_input", i)] = "1000"
	}
	got, err := newMachine(t, files).reader(nil).Sensors(context.Background())
	if err != nil || len(got.Temperatures) != maxSensors || len(got.Fans) != maxFans {
		t.Errorf("%d temperatures, %d fans, %v", len(got.Temperatures), len(got.Fans), err)
	}
}
