from vernal.common.target_folders import TargetFolders


def test_targets_come_back_in_their_order_each_with_its_folder(tmp_path):
    folders = TargetFolders(tmp_path)
    assert folders.read() == {}
    folders.write({"Möwe": "Möwe", "A/B": "A_B"})
    assert folders.read() == {"Möwe": tmp_path / "targets" / "Möwe", "A/B": tmp_path / "targets" / "A_B"}
    assert list(folders.read()) == ["Möwe", "A/B"]
