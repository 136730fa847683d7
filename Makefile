# aicert -- see README.md. The two commands of a newcomer: `make demo`, `make test`.
#
#   make            build/aicert, the libraries
#   make demo       install what is missing, build, run the main job, verify its proof
#   make demo-vm    the same in the measured runner, a virtual machine
#   make test       install what is missing, lint, every test but the long ones
#   make test-long  kills, sanitizers, fuzz corpora
#   make bench      figures as ratios to a peer in the same run
#   make install    PREFIX=/usr/local DESTDIR=
# SAN=address,undefined builds everything into a folder of its own with sanitizers.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec/aicert
VERSION := 0.1.0
PYTHON := /usr/bin/python3
CC := cc

SAN ?=
comma := ,
B := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))

WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wundef
WERROR ?= $(if $(CI),-Werror)
OPT := $(if $(SAN),-O1 -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all,-O2)
CFLAGS ?= -g
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) $(WERROR) $(OPT) -fPIC -fvisibility=hidden -fstack-protector-strong \
	-Iaicert -I. -DAICERT_VERSION='"$(VERSION)"' -DAICERT_LIBEXECDIR='"$(LIBEXECDIR)"' $(CFLAGS)
ALL_LDFLAGS := $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# V=1 shows the commands.
V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $@')

# --- what goes where ------------------------------------------------------
# The verifying half: libcrypto, jansson, libyaml (policies) and plain POSIX, nothing else. What reaches a TPM is not in it.
TPM_SRC := $(wildcard aicert/attest/tpm/*.c)
VERIFY_SRC := $(wildcard aicert/base/*.c aicert/proof/*.c aicert/proof/*/*.c) $(filter-out $(TPM_SRC),$(wildcard aicert/attest/*.c aicert/attest/*/*.c)) \
	$(addprefix aicert/model/,ref.c tree.c node.c recipe.c yaml.c) \
	aicert/fetch/path.c $(addprefix cache/,hashsink.c ahead.c pump.c filekey.c idset.c) aicert/api_verify.c
# Planning: adds Lua; still starts fast.
PLAN_SRC := $(filter-out $(VERIFY_SRC),$(wildcard aicert/model/*.c)) $(wildcard aicert/rule/*.c) $(wildcard aicert/run/plan/*.c)
# /init of the measured runner: this, and of the engine only what it needs.
AGENT_SRC := $(addprefix aicert/vm/agent/,main.c without.c)
# The processes that run steps: of the engine the sandbox, the observer and the store.
WORKER_SRC := aicert/run/worker_main.c
# The engine: everything that fetches, stores, runs and attests.
ENGINE_SRC := $(filter-out $(VERIFY_SRC) $(PLAN_SRC) $(WORKER_SRC),$(TPM_SRC) $(wildcard aicert/fetch/*.c aicert/run/*.c aicert/run/*/*.c cache/*.c)) \
	$(filter-out $(AGENT_SRC),$(wildcard aicert/vm/*/*.c))
API_SRC := aicert/api.c aicert/api_replan.c aicert/api_hooks_full.c

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
EMBED := $(B)/obj/embed.o

VERIFY_LIBS := -lcrypto -ljansson -lyaml
PLAN_LIBS := -llua5.4 -lm
ENGINE_LIBS := $(PLAN_LIBS) -lgit2 -lcurl -larchive -lsqlite3 -ltss2-esys -ltss2-mu -ltss2-tctildr -ltss2-rc -ltpms -lpthread
ALL_CFLAGS += -I/usr/include/lua5.4

.PHONY: all test test-long bench lint fuzz install demo demo-vm deps clean unit replay
all: $(B)/aicert $(B)/aicert-engine $(B)/aicert-worker $(B)/aicert-agent $(B)/libaicert-verify.so $(B)/libaicert-verify.a $(B)/libaicert.so $(B)/libaicert.a

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Lua and rule files become part of the program: name, bytes, length.
EMBEDDED := $(sort $(wildcard lua/*.lua rules/*.lua rules/providers/*.lua aicert/run/pip/*.py))
$(B)/obj/embed.c: $(EMBEDDED) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "rule/embed.h"'; i=0; \
	  for f in $(EMBEDDED); do \
	    echo "static const unsigned char f$$i[] = {"; od -An -v -tx1 $$f | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; echo "0};"; i=$$((i+1)); done; \
	  echo 'const struct ai_embedded ai_embedded[] = {'; i=0; \
	  for f in $(EMBEDDED); do echo "{ \"$$f\", (const char *)f$$i, sizeof f$$i - 1 },"; i=$$((i+1)); done; \
	  echo '{ 0, 0, 0 } };'; } > $@.tmp && mv $@.tmp $@
$(EMBED): $(B)/obj/embed.c
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

# Of libgit2 the two objects that tell a SHA-1 which was made to collide (aicert/fetch/git_sha1.c): the agent does without the rest.
SHA1DC := $(B)/obj/sha1dc.o
$(SHA1DC): Makefile
	@mkdir -p $(@D)/sha1dc
	$(call say,LD)
	$(Q)cd $(@D)/sha1dc && ar x $$($(CC) -print-file-name=libgit2.a) sha1.c.o ubc_check.c.o && ld -r -o all.o sha1.c.o ubc_check.c.o
	$(Q)objcopy --redefine-sym SHA1DCInit=ai_sha1dc_init --redefine-sym SHA1DCUpdate=ai_sha1dc_update --redefine-sym SHA1DCFinal=ai_sha1dc_final \
		$(addprefix --keep-global-symbol=ai_sha1dc_,init update final) $(@D)/sha1dc/all.o $@

$(B)/libaicert-verify.a: $(call obj,$(VERIFY_SRC) aicert/api_hooks_verify.c)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcsD $@ $^
$(B)/libaicert.a: $(call obj,$(VERIFY_SRC) $(PLAN_SRC) $(ENGINE_SRC) $(API_SRC)) $(EMBED) $(SHA1DC)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcsD $@ $^
$(B)/libaicert-verify.so: $(call obj,$(VERIFY_SRC) aicert/api_hooks_verify.c)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libaicert-verify.so.0 -o $@ $^ $(VERIFY_LIBS)
	@ln -sf $(@F) $@.0
$(B)/libaicert.so: $(call obj,$(VERIFY_SRC) $(PLAN_SRC) $(ENGINE_SRC) $(API_SRC)) $(EMBED) $(SHA1DC)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libaicert.so.0 -o $@ $^ $(VERIFY_LIBS) $(ENGINE_LIBS)
	@ln -sf $(@F) $@.0

# Two programs with one main: `aicert` starts without curl, git2, tss2 and SQLite, and hands what needs them to aicert-engine.
LIGHT_CLI := $(addprefix aicert/cli/,main.c options.c print.c family.c commands_light.c verify.c show.c hash.c rules.c rules_find.c rules_inputs.c rules_show.c rules_test.c trust.c proofs.c merge.c redact.c disclose.c policy.c policy_init.c policy_check.c tpm.c tpm_check.c tpm_check_files.c tpm_check_judge.c tpm_eventlog.c tpm_eventlog_known.c tpm_eventlog_show.c ca.c ca_init.c ca_challenge.c ca_issue.c ca_list.c exchange.c)
FULL_CLI := $(filter-out aicert/cli/commands_light.c,$(wildcard aicert/cli/*.c))
$(B)/aicert: $(call obj,$(LIGHT_CLI) $(VERIFY_SRC) $(PLAN_SRC) aicert/api_replan.c aicert/api_hooks_plan.c) $(EMBED)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(VERIFY_LIBS) $(PLAN_LIBS)
$(B)/aicert-engine: $(call obj,$(FULL_CLI)) $(B)/libaicert.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(VERIFY_LIBS) $(ENGINE_LIBS)

# Each sandbox is a fork of it: the fewer libraries, the cheaper.
$(B)/aicert-worker: $(call obj,$(WORKER_SRC)) $(B)/libaicert.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--gc-sections -o $@ $^ -lcrypto -ljansson -lsqlite3 -lpthread

# Its libraries are all that a verifier must trust beside kernel and agent: none of the network, and of libarchive (which leads to libxml2 and ICU)
# the tar reader alone. The device TCTI is opened by name: named here, it is among what the cpio must hold.
AGENT_LIBS := -Wl,--gc-sections -l:libarchive.a -l:libz.so.1 -l:libzstd.so.1 -lsqlite3 -ltss2-esys -ltss2-mu -ltss2-tctildr -ltss2-rc -lpthread \
	-Wl,--push-state,--no-as-needed -l:libtss2-tcti-device.so.0 -Wl,--pop-state
$(B)/aicert-agent: $(call obj,$(AGENT_SRC)) $(B)/libaicert.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(VERIFY_LIBS) $(PLAN_LIBS) $(AGENT_LIBS)

# --- tests ----------------------------------------------------------------
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
$(B)/unit/%: tests/unit/%.c $(wildcard tests/unit/*.h) $(B)/libaicert.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -Itests/unit $(ALL_LDFLAGS) -o $@ $< $(filter %.o,$^) $(B)/libaicert.a $(VERIFY_LIBS) $(ENGINE_LIBS) -lcmocka
# What commands show is no part of the library.
$(B)/unit/test_cli: $(call obj,$(addprefix aicert/cli/,print.c lines.c progress_view.c progress_draw.c graph_layout.c))
unit: $(UNIT)

# Each fuzz target with the standalone driver: replays its corpus and some mutations of it.
FUZZ_SRC := $(filter-out %/driver.c,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $(B)/libaicert.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< tests/fuzz/driver.c $(B)/libaicert.a $(VERIFY_LIBS) $(ENGINE_LIBS)
replay: $(FUZZ)

# What must be installed first is known only after it was: each of these builds in a make of its own.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
AGAIN = +@$(MAKE) --no-print-directory $(JOBS)

deps:
	@.ci/install build test

test:
	@.ci/install build test
	$(AGAIN) all unit replay
	@tests/run.py --build $(B)

test-long:
	@.ci/install build test
	$(AGAIN) all unit replay
	$(AGAIN) SAN=address,undefined all unit replay
	@tests/run.py --build $(B) --long --san build-address-undefined --counts $(B)/test-long-counts.json

lint:
	@tests/lint/lint.py

# make fuzz T=quote TIME=60: libFuzzer over one target; what it finds new stays in build-fuzz/corpus.
TIME ?= 60
fuzz:
	@.ci/install build fuzz
	@test -n "$(T)" || { echo "make fuzz: which target? T=one of: $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)" >&2; exit 2; }
	$(AGAIN) B=build-fuzz CC=clang SAN=address,undefined,fuzzer-no-link build-fuzz/libfuzz/$(T)
	@mkdir -p build-fuzz/corpus/$(T)
	build-fuzz/libfuzz/$(T) -max_total_time=$(TIME) -artifact_prefix=build-fuzz/ build-fuzz/corpus/$(T) $(wildcard tests/fuzz/corpus/$(T))
$(B)/libfuzz/%: tests/fuzz/fuzz_%.c $(B)/libaicert.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(B)/libaicert.a $(VERIFY_LIBS) $(ENGINE_LIBS)

$(B)/bench/%: tests/bench/%.c $(B)/libaicert.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libaicert.a $(VERIFY_LIBS) $(ENGINE_LIBS)
# Starts as `aicert` does, without the engine's libraries; its proofs are made by the unit tests' helpers.
$(B)/bench/verify_bench: tests/bench/verify_bench.c $(wildcard tests/unit/*.h) $(B)/libaicert-verify.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -Itests/unit $(ALL_LDFLAGS) -o $@ $< $(B)/libaicert-verify.a $(VERIFY_LIBS) -lcmocka

bench:
	@.ci/install build bench
	$(AGAIN) all $(B)/bench/sandbox_bench $(B)/bench/verify_bench $(B)/bench/eventlog_bench
	@tests/bench/bench.py --build $(B)

demo:
	@.ci/install build demo
	$(AGAIN) all
	@examples/demo.sh $(B)

demo-vm:
	@.ci/install build demo-vm
	$(AGAIN) all
	@examples/demo-vm.sh $(B)

# DESTDIR stages. The .so is the library itself under its soname; what links against it names the bare .so.
INSTALL ?= install
TO = $(DESTDIR)$(PREFIX)
install: all
	$(INSTALL) -d $(TO)/bin $(TO)/include $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(LIBDIR)/pkgconfig
	$(INSTALL) -m 755 $(B)/aicert $(TO)/bin/
	$(INSTALL) -m 755 $(B)/aicert-engine $(B)/aicert-worker $(DESTDIR)$(LIBEXECDIR)/
	$(INSTALL) -m 644 aicert/aicert.h $(TO)/include/
	@set -e; for l in aicert-verify aicert; do \
	  echo "$(DESTDIR)$(LIBDIR)/lib$$l.{so.0,so,a} pkgconfig/$$l.pc"; \
	  $(INSTALL) -m 644 $(B)/lib$$l.a $(DESTDIR)$(LIBDIR)/; \
	  $(INSTALL) -m 755 $(B)/lib$$l.so $(DESTDIR)$(LIBDIR)/lib$$l.so.0; \
	  ln -sf lib$$l.so.0 $(DESTDIR)$(LIBDIR)/lib$$l.so; \
	  sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@LIBS@|$(VERIFY_LIBS) $(ENGINE_LIBS)|' aicert/$$l.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/$$l.pc; \
	  chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/$$l.pc; done

clean:
	rm -rf build build-*

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
