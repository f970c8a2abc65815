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
    takes at most half an hour; a folder holds at most 512 MB and leaves the disk 256 MB. What is not whole is never
    seen under its name. What fails is asked for again next time, what was fetched is not.

What a server learns
    The address and time of each poll, and that it is bzd that asks. Nothing goes back that a server chose, since by
    that it could follow one badge: no cookie, no ETag, not its Last-Modified. `If-Modified-Since` says the UTC midnight
    before the last look, which is the same for all badges that looked on that day, and only of a file that was older
    then and if the clocks of badge and server agree; an index is always read anew, and what was named only in an
    earlier one is not asked for. A request has three fields, Host, User-Agent and Accept-Encoding, and that condition.
    Servers that take the condition only with their own Last-Modified (nginx, unless told `if_modified_since before`)
    send the head of the answer, and up to 64 kB of the file, once more; `match.feed_exact = true` says what they want
    to hear.
"""
