# SPDX-License-Identifier: GPL-2.0
#
# The driver: every target is a script in driver/. "make help" lists them.

MAKEFLAGS += --no-print-directory --no-builtin-rules
SHELL := /bin/bash

VARIABLES := BASE PAE CPUS MEM DEBUG TREE KSRC FORCE VARIANT FILTER TIMEOUT SHORT \
	RECORD SEED SECONDS MINUTES

# A misspelt variable would silently test something else than was asked for.
given := $(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $(v))),$(v)))
unknown := $(filter-out $(VARIABLES) MAKEFLAGS SHELL -*-command-variables-*-,$(given))
ifneq ($(unknown),)
$(error unknown variable $(firstword $(unknown)); known are $(VARIABLES))
endif

SCRIPTS := run shell soak test matrix coverage model mutants bench builds docs \
	cocci callers others fixes fixes-check series series-check tree releases \
	clean

.PHONY: help $(SCRIPTS) bench-check fuzz
.NOTPARALLEL:

help:
	@cat driver/help.txt

$(SCRIPTS):
	@driver/$@

bench-check:
	@driver/bench check

# SECONDS is a name that bash has a use for.
fuzz:
	@FUZZ_SECONDS='$(SECONDS)' driver/fuzz
