libmrccore_la_SOURCES += \
	%D%/automaton.c %D%/automaton.h \
	%D%/literal.h \
	%D%/template.c %D%/template.h

unit_tests += tests/unit/core/pattern/test_template

EXTRA_DIST += %D%/README.md
