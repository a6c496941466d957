"""The tokens that the verifier hears of: read when they are staged, held once they are published.

So the publication of a large build, which everybody waits for, is no more than a few names.
"""

from __future__ import annotations

from collections.abc import Sequence

from rtgf_node.core.shared_parts import SharedParts
from rtgf_node.core.tokens import Token
from rtgf_node.core.trust import TrustState
from rtgf_node.replication.build_commands import PublishBuild, StageTokens
from rtgf_node.store.registry_store import RegistryStore
from rtgf_node.store.staging_store import StagingStore


class TokensHeard:
    """Those of builds that are not published, and what all tokens have in common.

    Attributes:
      newest_leaf: the entry of the newest token that is held, -1 before the first.
    """

    def __init__(self) -> None:
        self.newest_leaf = -1
        self._parts = SharedParts()
        self._staged: dict[str, list[Token]] = {}

    def load(self, state: TrustState, registry: RegistryStore, staging: StagingStore) -> None:
        """Hold what the store has."""
        issued_at = {build.build_id: build.at for build in registry.published_builds()}
        for issued in registry.tokens():
            token = self._parts.read(issued.token.body)
            state.add(token, leaf_index=issued.leaf_index, at=issued_at[issued.build_id])
            self.newest_leaf = issued.leaf_index
        for build_id in staging.builds():
            self._staged[build_id] = [
                self._parts.read(row.body) for row in staging.tokens(build_id)
            ]

    def stage(self, command: StageTokens) -> None:
        """Read tokens that may be published later; what was heard before is heard again."""
        staged = self._staged.setdefault(command.build_id, [])
        staged[command.first :] = [self._parts.read(row.body) for row in command.tokens]
        if not staged:
            self.forget(command.build_id)

    def forget(self, build_id: str) -> None:
        """Forget what is staged of a build."""
        self._staged.pop(build_id, None)

    def publish(
        self, command: PublishBuild, leaf_indexes: Sequence[int], state: TrustState
    ) -> None:
        """Hold the tokens of a build; their entries are these."""
        staged = self._staged.pop(command.build_id, [])
        if not leaf_indexes or leaf_indexes[-1] <= self.newest_leaf:
            return  # the store had it already
        found = [*staged, *(self._parts.read(row.body) for row in command.tokens)]
        for token, leaf_index in zip(found, leaf_indexes, strict=True):
            state.add(token, leaf_index=leaf_index, at=command.at)
        self.newest_leaf = leaf_indexes[-1]
