// Asks for one flow by its original tuple: puts the request together and tells whether an answer is about that flow.
// Pure.
//
// Format: linux/netfilter/nfnetlink_conntrack.h. What the kernel demands: ctnetlink_parse_tuple() in
// net/netfilter/nf_conntrack_netlink.c, nf_conntrack_proto_*.c.

#ifndef CTWATCH_CT_LOOKUP_H_
#define CTWATCH_CT_LOOKUP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "column_layout.h"

namespace ctwatch {

// Any thread, as are all of these. Appends an IPCTNL_MSG_CT_GET of this sequence number: family, protocol, original
// addresses and ports, and zone are asked for as they are in `flow`.
void AppendLookup(const CtRecord& flow, std::uint32_t seq, std::vector<std::byte>& messages);

// The entry found is the flow that was asked for: a lookup also finds one whose reply has this tuple.
bool IsSameFlow(const CtRecord& asked, const CtRecord& found);

// What is known of a flow that was asked for and is gone: tuples, zone and id.
CtRecord OnlyTuples(const CtRecord& asked);

}  // namespace ctwatch

#endif  // CTWATCH_CT_LOOKUP_H_
