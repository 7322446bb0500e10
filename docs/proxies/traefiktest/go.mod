module github.com/cofferdam-bot/cofferdam/docs/proxies/traefiktest

go 1.26.0

require (
	github.com/cofferdam-bot/cofferdam v0.0.0
	github.com/traefik/traefik/v3 v3.6.12
)

require (
	golang.org/x/net v0.51.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)

replace github.com/cofferdam-bot/cofferdam => ../../..
