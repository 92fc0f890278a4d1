mod_mercure_la_SOURCES += \
	%D%/call.h \
	%D%/operator.c %D%/operator.h \
	%D%/disconnect.c %D%/disconnect.h \
	%D%/fields.c %D%/fields.h \
	%D%/machines.c %D%/machines.h \
	%D%/measure.c %D%/measure.h \
	%D%/question.c %D%/question.h \
	%D%/respond.c %D%/respond.h \
	%D%/revocations.c %D%/revocations.h \
	%D%/revoke.c %D%/revoke.h \
	%D%/stats.c %D%/stats.h \
	%D%/streams.c %D%/streams.h \
	%D%/streams_page.c %D%/streams_page.h \
	%D%/survey.c %D%/survey.h

# This unit does not need httpd. The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/operator/test_question
tests_unit_httpd_operator_test_question_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_operator_test_question_SOURCES = tests/unit/httpd/operator/test_question.c \
	%D%/question.c

EXTRA_DIST += %D%/README.md
