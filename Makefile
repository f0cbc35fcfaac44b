# SPDX-License-Identifier: GPL-2.0
#
# Each target is a script in driver/. "make help" lists them.

MAKEFLAGS += --no-print-directory --no-builtin-rules
SHELL := /bin/bash

VARIABLES := BASE PAE CPUS MEM DEBUG TREE KSRC FORCE VARIANT FILTER TIMEOUT SHORT \
	RECORD SEED SECONDS MINUTES

# make ignores an unknown variable: a misspelt one would be left out.
given := $(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $(v))),$(v)))
unknown := $(filter-out $(VARIABLES) MAKEFLAGS SHELL -*-command-variables-*-,$(given))
ifneq ($(unknown),)
$(error unknown variable $(firstword $(unknown)); known are $(VARIABLES))
endif

SCRIPTS := $(filter-out fuzz,$(shell find driver -maxdepth 1 -type f -executable -printf '%f '))

.PHONY: $(SCRIPTS) bench-check fuzz
.NOTPARALLEL:
.DEFAULT_GOAL := help

$(SCRIPTS):
	@driver/$@

bench-check:
	@driver/bench check

# bash has its own variable SECONDS.
fuzz:
	@FUZZ_SECONDS='$(SECONDS)' driver/fuzz
