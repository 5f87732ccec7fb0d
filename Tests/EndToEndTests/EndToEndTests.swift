import Testing

/// Tests that run the built executable: one after the other, since each takes the machine for itself.
@Suite(.serialized) struct EndToEndTests {}
