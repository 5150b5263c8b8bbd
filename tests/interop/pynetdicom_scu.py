"""A storage SCU of pynetdicom.

    pynetdicom_scu.py KIND PORT AE=FOLDER…

Sends each folder's files in an association of its own, each data set unchanged. KIND says what else is
negotiated: "plain" nothing, "contexts" 128 presentation contexts, "user-items" every kind of user information.
Ends with status 0 only where all that was accepted and stored.
"""

import sys
import threading
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, build_role
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import StoragePresentationContexts
from pynetdicom.sop_class import MRImageStorage, Verification

_config.STORE_SEND_CHUNKED_DATASET = True  # files as they are, not decoded and encoded again


def contexts_of(files, kind):
    """One context of Verification, one per class and transfer syntax of the files, and what fills them up to 128."""
    pairs = {}
    for file in files:
        meta = dcmread(file, stop_before_pixels=True).file_meta
        pairs[meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID] = None
    contexts = [build_context(Verification)] + [build_context(*pair) for pair in pairs]
    if kind == "contexts":
        classes = [context.abstract_syntax for context in StoragePresentationContexts]
        spare = [build_context(c, s) for s in (ImplicitVRLittleEndian, ExplicitVRLittleEndian) for c in classes]
        contexts += spare[: 128 - len(contexts)]
        assert len(contexts) == 128
    return contexts


def user_items():
    """PS3.7 D.3.3: role selection, asynchronous operations, extended negotiation, user identity."""
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 4
    window.maximum_number_operations_performed = 1
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = MRImageStorage
    extended.service_class_application_information = b"\x02\x00\x00\x00\x00\x00"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = MRImageStorage
    common.service_class_uid = "1.2.840.10008.4.2"
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"user"
    identity.secondary_field = b"passcode"
    identity.positive_response_requested = True
    return [build_role(MRImageStorage, scu_role=True), window, extended, common, identity]


class HeldReactor(threading.Event):
    """Holds the thread of an association that serves requests: it may be between its wait and its look for messages
    while send_c_store() believes it to be paused. Then it takes the response away, and that call waits in vain for
    30 s. An SCU has no requests to serve."""

    def __init__(self, association):
        super().__init__()
        self.reached = threading.Event()
        association._reactor_checkpoint = self
        self.reached.wait()

    def wait(self, timeout=None):
        self.reached.set()
        return super().wait(timeout)

    def set(self):
        """Each send_*() would let it go on."""

    def let_go(self):
        super().set()


def send(kind, port, title, folder):
    files = sorted(Path(folder).glob("*.dcm"))
    ae = AE(ae_title=title)
    wanted = contexts_of(files, kind)
    association = ae.associate(
        "127.0.0.1", port, contexts=wanted, ext_neg=user_items() if kind == "user-items" else None
    )
    assert association.is_established, "no association"
    reactor = HeldReactor(association)
    try:
        assert len(association.accepted_contexts) == len(wanted), association.rejected_contexts
        assert association.send_c_echo().Status == 0
        for file in files:
            status = association.send_c_store(file)
            assert status and status.Status == 0, status
        association.release()
        assert association.is_released
    finally:
        reactor.let_go()
        if association.is_established:
            association.abort()


def main():
    for pair in sys.argv[3:]:
        title, folder = pair.split("=", 1)
        send(sys.argv[1], int(sys.argv[2]), title, folder)


main()
