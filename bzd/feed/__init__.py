# SPDX-License-Identifier: Apache-2.0
"""Fetches what health authorities publish: key files from a web address into a folder.

A feed is an archive (its address ends in `.zip`) or an index of them: one relative path a line, as the index.txt of the
Exposure Notification server has it (docs/getting-started/downloading-export-batches-keys.md there). Nothing is verified
here: whoever matches what lies in the folder verifies it.

==================  ====================================================================================================
`address`           which addresses are fetched, what a redirect and an index may name
`transfer`          one file over one connection, with limits on bytes and time
`pace`              a socket that takes no longer than it may
`folder`            what was fetched, and what is known of it, on disk
`fetching`          feeds into a folder: only what is new
==================  ====================================================================================================

What a server may do to a badge
    It is asked over https, with the certificates that the system trusts; over plain http only on this machine. No
    redirect and no line of an index leads to another origin, no line out of the index's own folder. A file has at most
    32 MB, is not decompressed, ends within 10 minutes and never pauses for 30 s; a feed has at most 4096 files and
    takes at most half an hour; a folder holds at most 512 MB, shared between feeds, and leaves the disk 256 MB. What is
    not whole is never seen under its name. What fails is asked for again next time, what was fetched is not.

What a server learns
    The address and time of each poll, and that it is bzd that asks. A request has three fields, Host, User-Agent and
    Accept-Encoding, and sometimes a condition. No mark goes back that a server put on a file, since by that it could
    follow one badge: no cookie, no ETag, not its Last-Modified. `If-Modified-Since` says the last UTC midnight, which
    is the same for all badges, and is sent only where the badge looked after it and the file was older, by clocks of
    badge and server that agree. So the first poll of a day asks for everything; what did not change is told by the head
    of the answer, and at most 64 kB of it are read once more. (nginx takes a condition only with its own Last-Modified,
    unless told `if_modified_since before`, and does the same at each poll; `match.feed_exact = true` says what it wants
    to hear.) An index is always read anew, and what only an earlier one named is not asked for.

    What no badge that keeps files can hide: which it has. A server that answers each badge differently, file by file,
    can know one again by that.

What is not done: no proxy is asked, whatever the environment says; a file that was cut off begins anew.
"""
