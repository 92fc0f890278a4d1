libmrchub_la_SOURCES += \
	%D%/cache.c %D%/cache.h \
	%D%/candidates.c %D%/candidates.h \
	%D%/index.c %D%/index.h \
	%D%/prefix_tree.c %D%/prefix_tree.h

unit_tests += \
	tests/unit/hub/index/test_index \
	tests/unit/hub/index/test_prefix_tree
tests_unit_hub_index_test_index_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_hub_index_test_prefix_tree_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
