import CustodyDomain

extension Capabilities {
    /// What CCB 惠市宝 has.
    public static let ccb = Capabilities(
        name: "CCB",
        operations: [
            .collect, .queryCollection, .refund, .confirmSettlement, .querySplit, .querySubMerchant, .query, .fetchFile,
        ],
        repeatable: [.confirmSettlement],
        collector: .custodian, signer: .custodian, splitTimings: [.atOrder, .onConfirmation], confirmsPartially: false,
        refundSources: [.held, .available], withdrawalSpeeds: [.batch], verifications: [.none],
        deliveries: [.push, .poll], fileKinds: [.collections, .splits, .splitSums],
        limits: .init(partsPerOrder: 20, itemsPerSplit: 20, splitsPerOrder: 1, refundsPerOrder: 50),
        numbers: .init(serialLength: 32, businessLength: 40, alphanumericOnly: true, isOneSpace: false),
        notifySchedule: Array(repeating: .seconds(300), count: 6),
        testGaps: ["only H5 payments (Pymd_Cd 03)"])

    /// What CCB 惠市宝 has for a market whose packages are handed in by hand.
    static var ccbWithoutFiles: Capabilities {
        var capabilities = Capabilities.ccb
        capabilities.operations.remove(.fetchFile)
        capabilities.fileKinds = []
        return capabilities
    }
}
