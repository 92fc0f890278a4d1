/*
 * Checks the pages of an LMDB file. LMDB itself trusts what it reads: a wrong number in a page
 * makes it read or write beyond its map.
 *
 *     page 0, 1    heads of the file; the one with the newer transaction counts
 *     head         roots of two trees: the free pages, and the main database, whose leaves hold
 *                  the roots of the named databases
 *     branch       numbers of the pages below it
 *     leaf         keys and values; a long value is on pages of its own
 *
 * The format is that of LMDB 0.9; files of another version pass without a check.
 */
#ifndef MRC_STORE_LMDB_PAGES_H
#define MRC_STORE_LMDB_PAGES_H

#include <lmdb.h>
#include <stdint.h>

/*
 * Checks that each page that TXN can reach is of its kind, used once, and not among the free ones.
 * Pages that are not reached until UNTIL_US of store/base/clock.h are not checked. Only for files
 * with at least as many pages as their head says. MDB_SUCCESS; MDB_CORRUPTED; an errno: memory has
 * run out, or the file cannot be read.
 */
int mrc_lmdb_pages_check(MDB_txn *txn, int64_t until_us);

#endif
